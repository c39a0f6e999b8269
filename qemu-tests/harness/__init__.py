"""The harness of the whole-system tests; `../run` is its command line."""
