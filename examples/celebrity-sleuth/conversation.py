"""The whole conversation in the terminal: `python3 conversation.py`.

Brings the packages that the services need, deploys both to the local cloud, gives them a number, and talks to them as a person
with a telephone would. Set ALOFT to use another program than the `aloft` on the search path.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
ALOFT = os.environ.get("ALOFT", "aloft")
PERSON, APPLICATION = "+15555550123", "+15550100"
# (what is written, which picture, how the answer begins: the first is different when this ran before)
TALK = [
    ("face addcol actors", None, ("Made the collection actors.", "There is a collection actors already.")),
    ("face addimg actors ada_quill", "ada_quill-1.jpg", "Added Ada Quill"),
    ("face addimg actors bruno_vale", "bruno_vale-1.jpg", "Added Bruno Vale"),
    ("face match actors", "ada_quill-2.jpg", "Ada Quill (similarity"),
]


def main():
    if not shutil.which(ALOFT):
        sys.exit(f"`{ALOFT}` is not on the search path: name the program in ALOFT")
    vendor(HERE / "twilio-communication")
    if os.environ.get("BIOGRAPHIES") == "imdb":
        vendor(HERE / "face-recognition")
    cloud = status() or start()
    # The functions are to talk to the local phone. Everything else is as for AWS.
    os.environ["TWILIO_API_BASE_URL"] = cloud
    run(ALOFT, "deploy", "--local")
    webhook = next(
        line.split("POST - ")[1].strip()
        for line in run(ALOFT, "twilio-communication:info", "--local").splitlines()
        if "POST - " in line
    )
    ask(cloud, "PUT", f"/numbers/{APPLICATION}", {"smsUrl": webhook, "smsMethod": "POST"})
    print(f"\n{APPLICATION} is answered by {webhook}\nThe same conversation on a phone: {cloud}/_aloft/phone\n")
    for text, picture, expected in TALK:
        if not say(cloud, text, picture, expected):
            sys.exit(f"waited in vain for: {expected}\nwhat happened: {ALOFT} twilio-communication:logs --local --function processRequest")


def say(cloud, text, picture, expected):
    """Sends a message and prints what comes back, until the answer is there."""
    seen = {message["sid"] for message in conversation(cloud)}
    media = []
    if picture:
        data = base64.b64encode((HERE / "pictures" / picture).read_bytes()).decode()
        media = [{"contentType": "image/jpeg", "data": data}]
    sent = ask(cloud, "POST", "/messages", {"from": PERSON, "to": APPLICATION, "body": text, "media": media})
    seen.add(sent["sid"])
    print(f"  me > {text}" + (f" [{picture}]" if picture else ""), flush=True)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for message in conversation(cloud):
            if message["sid"] == sent["sid"] and message["trouble"]:
                sys.exit(f"the application failed: {message['trouble']}")
            if message["sid"] in seen or message["status"] != "delivered":
                continue
            seen.add(message["sid"])
            print(f"       < {message['body']}", flush=True)
            if message["body"].startswith(expected):
                return True
        time.sleep(0.1)
    return False


def conversation(cloud):
    query = f"phone={PERSON}&number={APPLICATION}".replace("+", "%2B")
    return ask(cloud, "GET", f"/state?{query}")["messages"]


def ask(cloud, method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{cloud}/_aloft/phone{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def vendor(service):
    """Brings a service's packages, once."""
    if not (service / "vendor").exists():
        print(f"bringing the packages of {service.name}", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", service / "requirements.txt", "--target", service / "vendor"], check=True)


def status():
    """The address of the local cloud, when one is running."""
    answer = subprocess.run([ALOFT, "cloud", "status", "--json"], capture_output=True, text=True)
    return json.loads(answer.stdout).get("endpoint") if answer.returncode == 0 else None


def start():
    run(ALOFT, "cloud", "start", "--detach")
    return status() or sys.exit("the local cloud did not start")


def run(*command):
    print("$ aloft " + " ".join(command[1:]), flush=True)
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stdout + f"{command[1]} failed")
    return done.stdout


main()
