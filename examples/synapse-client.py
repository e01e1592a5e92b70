#!/usr/bin/env python3
"""Two agents on the synapse wire, from another language: claims, a refused overlap, a directed message, a wait, a hand-off.

    aaax hub                                       # or any constellation that has the coordinator and a synapse port
    python3 synapse-client.py [ws://localhost:8876] [TOKEN]

Needs Python 3.8 and `websockets` (apt install python3-websockets). Prints what came of it, as one line of JSON.
"""
import asyncio
import json
import sys
import time

import websockets


class Agent:
    """One name on one connection. The first frame binds the name; a heartbeat follows every 20 seconds."""

    def __init__(self, uri, name, token=None):
        self.uri, self.name, self.token = uri, name, token
        self.frames = []
        self.news = asyncio.Event()

    async def __aenter__(self):
        self.socket = await websockets.connect(self.uri)
        await self.send("heartbeat", payload="online")
        self.tasks = [asyncio.ensure_future(self.listen()), asyncio.ensure_future(self.beat())]
        await self.next("welcome")
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await self.socket.close()

    async def send(self, kind, payload="", target="all", **fields):
        frame = {"sender": self.name, "target": target, "type": kind, "payload": payload, "timestamp": time.time(), **fields}
        if self.token is not None:
            frame["token"] = self.token
        await self.socket.send(json.dumps(frame))

    async def listen(self):
        try:
            async for text in self.socket:
                self.frames.append(json.loads(text))
                self.news.set()
        except websockets.ConnectionClosed:
            self.news.set()

    async def beat(self):
        while True:
            await asyncio.sleep(20)
            await self.send("heartbeat", payload="alive")

    async def next(self, *kinds, **wanted):
        """The next frame of one of these types with these fields, and takes it out of the line."""
        while True:
            for at, frame in enumerate(self.frames):
                if frame["type"] in kinds and all(frame.get(key) == value for key, value in wanted.items()):
                    return self.frames.pop(at)
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 10)

    async def ask(self, kind, *answers, **fields):
        """What others do is told to everybody, so that an answer is told apart by its task."""
        await self.send(kind, **fields)
        return await self.next(*answers, **{key: fields[key] for key in ("task_id",) if key in fields})


async def main(uri, token):
    told = {}
    async with Agent(uri, "py/alpha", token) as alpha, Agent(uri, "py/beta", token) as beta:
        # Who the last one bound is online for everybody.
        await alpha.next("presence_update", event="joined", agent="py/beta")
        granted = await alpha.ask("claim", "claim_granted", "claim_denied", task_id="py-api", note="the api", paths=["src/api"], ttl_seconds=120)
        told["granted"] = [granted["owner"], granted["paths"], granted["status"]]
        refused = await beta.ask("claim", "claim_granted", "claim_denied", task_id="py-fix", paths=["src/api/users.py"])
        told["refused"] = [refused["type"], refused["payload"]]

        await alpha.send("chat", payload="the api is mine for now", target="py/beta")
        chat = await beta.next("chat", sender="py/alpha")
        told["chat"] = [chat["payload"], isinstance(chat["msg_id"], int)]

        waiting = await beta.ask("wait_request", "wait_granted", "wait_denied", task_id="py-api")
        told["waiting"] = [waiting["type"], waiting["holder"]]
        await alpha.ask("task_update", "task_updated", "error", task_id="py-api", status="working")
        saved = await alpha.ask("checkpoint", "checkpoint_saved", "checkpoint_denied", task_id="py-api", checkpoint="half way")
        told["saved"] = saved["version"]
        handed = await alpha.ask("handoff", "handoff_granted", "handoff_denied", task_id="py-api", to_agent="py/beta", note="yours")
        told["handed"] = [handed["previous_owner"], handed["owner"], handed["checkpoint"]]
        stale = await alpha.ask("release", "release_granted", "release_denied", task_id="py-api", epoch=granted["epoch"])
        told["stale"] = stale["payload"]

        await beta.send("release", task_id="py-api")
        told["released"] = (await alpha.next("release_granted", task_id="py-api"))["owner"]
        state = await alpha.ask("state_request", "state_snapshot")
        told["left"] = [claim["task_id"] for claim in state["snapshot"]["active_claims"]]
        who = await alpha.ask("who_request", "who_snapshot")
        told["online"] = [name for name in who["online_agents"] if name.startswith("py/")]
        history = await alpha.ask("history_request", "history_snapshot", limit=1)
        told["history"] = [chat["payload"] for chat in history["history"]]
    print(json.dumps(told))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(main(arguments[0] if arguments else "ws://localhost:8876", arguments[1] if len(arguments) > 1 else None))
