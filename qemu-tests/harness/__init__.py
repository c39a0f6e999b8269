"""The harness of the end-to-end tests; `../run` is its command line."""
