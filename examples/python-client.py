"""Drives a published constellation from Python, with nothing but the standard library.

    aaax launch --publish                               # in one terminal
    TOKEN=$(aaax token mint python --role admin --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["token"])')
    python3 examples/python-client.py "http://python:$TOKEN@127.0.0.1:8100/sssn"

The token is the password of HTTP Basic, so every client that takes a user in its base URL works unchanged.
"""
import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

base = urllib.parse.urlsplit(sys.argv[1])
root = f"{base.scheme}://{base.hostname}:{base.port}{base.path.rstrip('/')}"
credential = base64.b64encode(f"{base.username}:{base.password}".encode()).decode()


def call(method, path, body=None, **query):
    """One request: the answer as JSON or bytes, or the status and type of the refusal."""
    url = root + path + ("?" + urllib.parse.urlencode(query) if query else "")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={
        "Authorization": f"Basic {credential}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            raw = response.read()
            return json.loads(raw) if response.headers.get_content_type() == "application/json" else raw
    except urllib.error.HTTPError as refused:
        return [refused.code, json.loads(refused.read())["detail"]["error"]["type"]]


channel = sys.argv[2] if len(sys.argv) > 2 else "from-python"
told = {
    "channel": call("POST", "/channels", {"name": channel, "form": "log", "metadata": {"made": "here"}}),
    "again": call("POST", "/channels", {"name": channel}),
}
first = call("POST", "/events", {"channel": channel, "kind": "measured", "payload": {"celsius": 21.5}})
call("POST", "/events", {"channel": channel, "kind": "noted", "payload": "warm", "parent_ids": [first["id"]]})
told["events"] = [event["kind"] for event in call("GET", "/events", channel=channel, after_cursor=0, limit=100)]
told["dangling"] = call("POST", "/events", {"channel": channel, "parent_ids": ["nobody"]})

call("POST", "/subscriptions", {"channel": channel, "id": channel, "consumer": "python", "batch_size": 1})
told["pulled"] = []
while batch := call("POST", f"/subscriptions/{channel}/pull"):
    told["pulled"] += [event["cursor"] for event in batch]

data = bytes(range(256))
artifact = call("POST", "/artifacts", {"data": base64.b64encode(data).decode(), "encoding": "base64", "channel": channel,
                                       "event_ids": [first["id"]]})
told["artifact"] = [artifact["size"], call("GET", f"/artifacts/{artifact['id']}") == data]

call("PUT", f"/snapshots/{channel}", {"value": {"celsius": 21.5}, "channel": channel, "source_event_id": first["id"]})
told["snapshot"] = call("GET", f"/snapshots/{channel}")["value"]
print(json.dumps(told))
