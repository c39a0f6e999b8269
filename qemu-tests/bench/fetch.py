#!/usr/bin/env python3
"""fetch.py URL CA FILE - downloads to a file with http.client over OpenSSL, 1 MiB at a time.

The lower bound of a download. CA is a file of PEM certificates.
"""

import http.client
import ssl
import sys
from urllib.parse import urlsplit

url, ca_file, path = urlsplit(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=ca_file)
connection = http.client.HTTPSConnection(url.hostname, url.port, context=context)
connection.request("GET", url.path)
answer = connection.getresponse()
with open(path, "wb") as file:
    while chunk := answer.read(1 << 20):
        file.write(chunk)
if answer.status != 200 or answer.length:
    sys.exit(f"{sys.argv[1]}: status {answer.status}, {answer.length} bytes missing")
