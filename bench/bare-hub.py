"""What a hub in Python has to do at least: read a frame, look at a map, keep it in a database where one is named, and tell everybody.

    bare-hub.py [DATABASE]        prints its port on loopback, and serves until its standard input ends
"""
import asyncio
import json
import sqlite3
import sys
import time

import websockets


async def main(database):
    sockets, claims = set(), {}
    log = None
    if database is not None:
        log = sqlite3.connect(database, isolation_level=None)
        log.execute("PRAGMA journal_mode=WAL")
        log.execute("CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, ts REAL, kind TEXT, payload TEXT)")
        log.execute("PRAGMA synchronous=FULL")

    async def tell(frame):
        text = json.dumps(frame, separators=(",", ":"))
        await asyncio.gather(*(socket.send(text) for socket in sockets), return_exceptions=True)

    def keep(kind, record):
        if log is not None:
            log.execute("INSERT INTO events (ts, kind, payload) VALUES (?, ?, ?)", (time.time(), kind, json.dumps(record)))

    async def serve(socket):
        sockets.add(socket)
        try:
            async for text in socket:
                asked = json.loads(text)
                kind, sender, now = asked["type"], asked["sender"], time.time()
                frame = {"sender": "SynapseHub", "target": "all", "timestamp": now, "hub_id": "syn-00000000"}
                if kind == "heartbeat":
                    frame.update(type="presence_update", payload="Presence update", event="joined", agent=sender, online_agents=[sender])
                elif kind == "chat":
                    keep("chat", asked)
                    frame = {**asked, "hub_id": "syn-00000000", "msg_id": 1, "timestamp": now}
                elif kind == "claim":
                    task, paths = asked["task_id"], asked["paths"]
                    record = {"task_id": task, "owner": sender, "paths": paths, "expires": now + 3600, "epoch": 1, "status": "claimed"}
                    claims[task] = record
                    keep("claim", record)
                    frame.update(type="claim_granted", payload=f"Task '{task}' claimed by {sender}.", **record)
                else:
                    task = asked["task_id"]
                    claims.pop(task, None)
                    keep("release", {"task_id": task})
                    frame.update(type="release_granted", payload=f"Task '{task}' released by {sender}.", task_id=task, owner=sender)
                await tell(frame)
        except websockets.ConnectionClosed:
            pass
        finally:
            sockets.discard(socket)

    async with websockets.serve(serve, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
