"""Python before it knows its function: connects, waits to be told its environment, and becomes the bootstrap.

What it imports meanwhile is Python's own, and the SDK when its functions want that. No code of a function runs here.
"""

import _socket
import base64
import collections
import datetime
import decimal
import functools
import hashlib
import importlib.machinery
import json
import logging
import os
import random
import re
import socket
import sys
import time
import typing
import urllib.parse
import uuid

# As Lambda has it: the libraries of a function go before these.
SDK = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
SDK_DIRECTORY = "/opt/python"


def import_sdk():
    sys.path.insert(1, SDK_DIRECTORY)
    try:
        import boto3
        import botocore.auth, botocore.client, botocore.endpoint, botocore.httpsession, botocore.parsers
        import botocore.regions, botocore.session, botocore.signers, botocore.waiter
    except ImportError:
        forget_sdk()
    finally:
        sys.path.remove(SDK_DIRECTORY)


def forget_sdk():
    for name in [it for it in sys.modules if it.partition(".")[0] in SDK]:
        del sys.modules[name]


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def imported():
    """What was imported: each package's first file. A layer may bring another one under the same name."""
    return {name: content(sys.modules[name].__file__) for name in SDK if name in sys.modules}


def is_another(known):
    """Whether the function, as it is told now, would import another SDK than what was imported."""
    importlib.invalidate_caches()
    path = [os.environ["LAMBDA_TASK_ROOT"], *sys.path]
    for name, text in known.items():
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is None or found.origin != sys.modules[name].__file__ or content(found.origin) != text:
            return True
    return False


def main():
    if os.environ.get("ALOFT_SDK") == "1":
        import_sdk()
    known = imported()
    host, port = os.environ["ALOFT_WAIT"].rsplit(":", 1)
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.connect((host, int(port)))
    told = b""
    while data := connection.recv(65536):
        told += data
    connection.close()
    os.environ.clear()
    os.environ.update(json.loads(told))
    time.tzset()
    # What this directory was is covered by the function's code.
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    sys.path[1:1] = [it for it in os.environ.get("PYTHONPATH", "").split(":") if it]
    if is_another(known):
        forget_sdk()
    importlib.invalidate_caches()
    import _aloft_bootstrap

    _aloft_bootstrap.main()
