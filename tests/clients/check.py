"""What the scripts of this folder share: comparing, expecting errors, waiting."""

import io
import time
import zipfile

from botocore.exceptions import ClientError


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}\n     got {actual!r}")


def fails(code, call, **arguments):
    """The call fails with this error code; gives the error's response."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        equal(error.response["Error"]["Code"], code)
        return error.response
    raise AssertionError(f"expected the error {code}, got {answer!r}")


def eventually(get, holds, seconds=30):
    """What `get` gives once `holds` says so."""
    until = time.monotonic() + seconds
    while True:
        value = get()
        if holds(value):
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} seconds in vain; last seen: {value!r}")
        time.sleep(0.02)


def zipped(**files):
    """A zip of files, which are named by what stands before `__` and after it: `index__js`."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return data.getvalue()
