"""Python before it knows its function: connects, or is forked for each, waits to be told its environment, and becomes the
bootstrap.

What it imports meanwhile is Python's own, and the SDK when its functions want that. No code of a function runs here.
"""

import _aloft_bootstrap
import _socket
import gc
import importlib
import json
import logging
import os
import sys
import time

# What a fresh start has.
FRESH = {*sys.modules, "gc"}

import base64
import collections
import datetime
import decimal
import functools
import hashlib
import random
import re
import socket
import typing
import urllib.parse
import uuid

import _aloft_sdk as sdk


def names_in(directory):
    """What can be imported from it."""
    try:
        return {name.partition(".")[0] for name in os.listdir(directory)}
    except OSError:
        return set()


def is_another(paths, known):
    """Whether the function would import something else than what was imported: its own comes before ours."""
    ahead = {name.partition(".")[0] for name in sys.modules.keys() - FRESH}
    for path in paths:
        names = names_in(path)
        if path == sdk.DIRECTORY:
            if known is not None and known != sdk.state():
                return True
            names.difference_update(sdk.PACKAGES)
        if names & ahead:
            return True
    return known is not None and sdk.DIRECTORY not in paths


def forget():
    """Makes it as if nothing had been imported. What is not made of Python stays: it can be loaded only once."""
    for name in sys.modules.keys() - FRESH:
        if getattr(sys.modules[name], "__file__", None) is None or sys.modules[name].__file__.endswith(".py"):
            del sys.modules[name]


def rehearse(wanted):
    """What a function begins with, as far as it is nobody's."""
    os.environ.update(json.loads(json.dumps({**os.environ, "LAMBDA_TASK_ROOT": "/var/task"})))
    is_another([os.getcwd()], None)
    compile("def handler(event, context):\n    return event\n", "/var/task/index.py", "exec")
    if wanted is not None:
        sdk.make(wanted)


def connect(address):
    host, port = address.rsplit(":", 1)
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.connect((host, int(port)))
    return connection


def main():
    address = os.environ.get("ALOFT_WAIT")
    if address is None:
        import _aloft_zygote as zygote

        zygote.leave_number_two()
    wanted = os.environ.get("ALOFT_SDK")
    known = None if wanted is None else sdk.prepare(wanted)
    # What is there now stays, and need not be looked through when memory is cleaned up.
    gc.collect()
    gc.freeze()
    if address is None:
        connection = zygote.serve(zygote.written_by(lambda: rehearse(wanted)))
    else:
        connection = connect(address)
    told = b""
    while data := connection.recv(65536):
        told += data
    connection.close()
    # What Python itself sets when it starts, in a locale that is not installed.
    own = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
    os.environ.clear()
    os.environ.update({**own, **json.loads(told)})
    time.tzset()
    logging._startTime = type(logging._startTime)(time.time_ns() if isinstance(logging._startTime, int) else time.time())
    # What this directory was is covered by the function's code.
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    paths = [it for it in os.environ.get("PYTHONPATH", "").split(":") if it]
    sys.path[1:1] = paths
    others = [it for it in paths if it != os.path.dirname(__file__)]
    if is_another([os.environ["LAMBDA_TASK_ROOT"], *others], known):
        forget()
    else:
        sdk.told()
    for name in ("_aloft_waiting", "_aloft_sdk", "_aloft_zygote"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    _aloft_bootstrap.main()
