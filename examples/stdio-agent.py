# A system in Python, docked by a kernel that starts it: takes texts from the queue `texts` and says how long each is.
# In a config: { "id": "lengths", "framework": "process", "command": ["python3", "stdio-agent.py"] }
import json
import sys

calls = 0

def say(**frame):
    print(json.dumps(frame), flush=True)

def call(op, *args):
    global calls
    calls += 1
    say(frame="call", id=calls, port=1, op=op, args=args)


say(frame="dock", id=4294967295, port=1, lives=True, manifest={
    "provides": [{"name": "texts", "form": "queue"}, {"name": "lengths"}]})
for line in sys.stdin:
    frame = json.loads(line)
    if frame["frame"] == "ping":
        say(frame="pong")
    elif frame["frame"] == "start":
        call("take", "texts", {"wait": True})
    elif frame["frame"] == "stop":
        say(frame="ended", port=1, run=frame["run"])
    elif frame["frame"] == "result" and isinstance(frame["value"], list) and "event" in frame["value"][0]:
        event, epoch = frame["value"][0]["event"], frame["value"][0]["epoch"]
        call("append", "lengths", [{"payload": len(event["payload"]), "parentIds": [event["id"]]}], {"key": event["id"]})
        call("take", "texts", {"wait": True, "settle": [{"cursor": event["cursor"], "epoch": epoch, "outcome": "ack"}]})
