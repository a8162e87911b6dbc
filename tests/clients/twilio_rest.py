"""Twilio's own package against the local phone: numbers, messages, pages, media, errors, a webhook that it signs for."""

import base64
import json
import socket
import sys
import threading
import urllib.request
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

import boto3

# Where `cargo xtask setup` put the package.
sys.path.insert(0, sys.argv[2])

from check import equal, eventually
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

ENDPOINT, SID, TOKEN = sys.argv[1], "AC" + "0" * 32, "0" * 32
PERSON, NUMBER = "+15555550123", "+15550100"


def connect(token):
    client = Client(SID, token)
    client.api.base_url = ENDPOINT
    return client


def fails(code, status, call, **arguments):
    try:
        answer = call(**arguments)
    except TwilioRestException as error:
        equal((error.code, error.status), (code, status))
        return
    raise AssertionError(f"expected the error {code}, got {answer!r}")


def page(method, path, body=None):
    request = urllib.request.Request(f"{ENDPOINT}/_aloft/phone{path}", json.dumps(body).encode() if body else None, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


client = connect(TOKEN)
fails(20003, 401, connect("wrong").api.v2010.accounts(SID).fetch)

# Numbers.
fails(21421, 400, client.incoming_phone_numbers.create, phone_number="12")
number = client.incoming_phone_numbers.create(phone_number=NUMBER, friendly_name="actors")
equal((number.sid[:2], number.sms_method, number.friendly_name), ("PN", "POST", "actors"))
fails(21422, 400, client.incoming_phone_numbers.create, phone_number=NUMBER)
equal([found.phone_number for found in client.incoming_phone_numbers.list(phone_number=NUMBER)], [NUMBER])

# A bucket may have the name of the API's version.
s3 = boto3.client("s3")
s3.create_bucket(Bucket="2010-04-01")
s3.put_object(Bucket="2010-04-01", Key="Accounts/notes.json", Body=b"{}")
equal(s3.get_object(Bucket="2010-04-01", Key="Accounts/notes.json")["Body"].read(), b"{}")

# Messages to the phone.
message = lambda **more: dict(to=PERSON, from_=NUMBER, body="hello") | more
for code, more in [
    (21211, {"to": "nobody"}),
    (21602, {"body": ""}),
    (21606, {"from_": "+15550199"}),
    (21212, {"from_": "actors"}),
    (21617, {"body": "x" * 1601}),
    (21620, {"body": "x", "media_url": ["file:///etc/passwd"]}),
    (21266, {"to": NUMBER}),
]:
    fails(code, 400, client.messages.create, **message(**more))
sent = [client.messages.create(**message(body=f"number {count}")) for count in range(5)]
equal((sent[0].status, sent[0].direction, sent[0].num_segments, sent[0].error_code), ("queued", "outbound-api", "1", None))
eventually(lambda: client.messages(sent[4].sid).fetch().status, lambda status: status == "delivered")
# Pages of two, the newest first.
equal([one.sid for one in client.messages.list(page_size=2)], [one.sid for one in reversed(sent)])
equal(len(client.messages.list(page_size=2, limit=3)), 3)
equal([one.sid for one in client.messages.list(to="+15555550199")], [])
# By the day or by the second, both ends included.
moment = client.messages(sent[4].sid).fetch().date_sent
second = timedelta(seconds=1)
for asked, is_there in [
    ({"date_sent": moment.date()}, True),
    ({"date_sent": moment.replace(hour=0, minute=0, second=0)}, True),
    ({"date_sent": moment.date() - timedelta(days=1)}, False),
    ({"date_sent_after": moment, "date_sent_before": moment}, True),
    ({"date_sent_after": moment + second}, False),
    ({"date_sent_before": moment - second}, False),
]:
    equal(sent[4].sid in [one.sid for one in client.messages.list(**asked)], is_there)
client.messages(sent[0].sid).update(body="")
equal(client.messages(sent[0].sid).fetch().body, "")
client.messages(sent[1].sid).delete()
fails(20404, 404, client.messages(sent[1].sid).fetch)
fails(20501, 501, client.messages.create, **message(schedule_type="fixed"))


# A webhook: what is signed, and what becomes of its answers.
class Application(BaseHTTPRequestHandler):
    heard = []

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(parse_qsl(text, keep_blank_values=True))
        self.answer(form, RequestValidator(TOKEN).validate(URL + self.path, form, self.headers.get("X-Twilio-Signature", "")))

    def do_GET(self):
        form = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        self.answer(form, RequestValidator(TOKEN).validate(URL + self.path, {}, self.headers.get("X-Twilio-Signature", "")))

    def answer(self, form, is_signed):
        self.heard.append((self.command, self.path.split("?")[0], form, is_signed))
        status = 500 if self.path.startswith("/broken") else 200
        body = b"<Response><Message>you said &lt;b&gt;</Message><Message><Body>look</Body><Media>%s/picture</Media></Message></Response>"
        kind = "text/xml"
        if self.path == "/picture":
            body, kind = b"\x89PNG....%s", "image/png"
        if self.path == "/redirecting":
            body = b"<Response><Redirect method='GET'>/hook</Redirect></Response>"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.replace(b"%s", URL.encode()))

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Application)
URL = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()
picture = {"contentType": "image/png", "data": base64.b64encode(b"pixels").decode()}
say = lambda body, **more: page("POST", "/messages", {"from": PERSON, "to": NUMBER, "body": body} | more)["sid"]
settled = lambda sid: eventually(lambda: [one for one in page("GET", "/state")["messages"] if one["sid"] == sid], lambda found: found[0]["isSettled"])[0]

for url, method, path in [("/hook", "POST", "/hook"), ("/hook?a=1", "GET", "/hook"), ("/redirecting", "POST", "/redirecting")]:
    client.incoming_phone_numbers(number.sid).update(sms_url=URL + url, sms_method=method)
    Application.heard.clear()
    sid = say("what's up & so? ~ü", media=[picture])
    equal(settled(sid)["trouble"], None)
    command, asked, form, is_signed = Application.heard[0]
    equal((command, asked, is_signed), (method, path, True))
    expected = {"MessageSid": sid, "Body": "what's up & so? ~ü", "From": PERSON, "To": NUMBER, "NumMedia": "1", "AccountSid": SID}
    equal({name: form[name] for name in expected}, expected)
    equal((form["MediaContentType0"], urllib.request.urlopen(form["MediaUrl0"]).read()), ("image/png", b"pixels"))
    answers = eventually(lambda: client.messages.list(limit=2), lambda found: all(one.status == "delivered" for one in found))
    equal([(one.body, one.num_media, one.direction) for one in answers], [("look", "1", "outbound-reply"), ("you said <b>", "0", "outbound-reply")])
(media,) = client.messages(answers[0].sid).media.list()
equal((media.content_type, client.messages(answers[0].sid).media(media.sid).fetch().parent_sid), ("image/png", answers[0].sid))
client.messages(answers[0].sid).media(media.sid).delete()
equal(client.messages(answers[0].sid).media.list(), [])

# What goes wrong there is told on the phone, and the other address is asked.
client.incoming_phone_numbers(number.sid).update(sms_url=URL + "/broken", sms_method="POST")
equal(settled(say("hello"))["trouble"], f"11200: {URL}/broken answered 500")
client.incoming_phone_numbers(number.sid).update(sms_fallback_url=URL + "/hook")
equal(settled(say("hello"))["trouble"], None)
equal([one[2]["ErrorCode"] for one in Application.heard if "ErrorCode" in one[2]], ["11200"])

# Nobody is there: it is tried again for a while, and then told.
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    nowhere = f"http://127.0.0.1:{free.getsockname()[1]}/"
client.incoming_phone_numbers(number.sid).update(sms_url=nowhere, sms_fallback_url="")
sid = say("anybody?")


def later():
    urllib.request.urlopen(urllib.request.Request(f"{ENDPOINT}/_aloft/clock", b'{"advance": 5}', method="POST")).close()
    return next(one for one in page("GET", "/state")["messages"] if one["sid"] == sid)


equal(eventually(later, lambda one: one["isSettled"])["trouble"][:5], "11205")

# How a message fares is told to its sender; what cannot be fetched fails it.
Application.heard.clear()
sid = client.messages.create(**message(body="look", media_url=[URL + "/picture"], status_callback=URL + "/status")).sid
told = eventually(lambda: [one for one in Application.heard if one[1] == "/status"], lambda told: len(told) == 2)
equal([(one[2]["MessageSid"], one[2]["MessageStatus"], one[3]) for one in told], [(sid, "sent", True), (sid, "delivered", True)])
sid = client.messages.create(**message(body="look", media_url=[URL + "/broken"])).sid
failed = eventually(lambda: client.messages(sid).fetch(), lambda one: one.status == "failed")
equal(failed.error_code, 11200)
client.incoming_phone_numbers(number.sid).delete()
equal(client.incoming_phone_numbers.list(), [])
print("ok")
