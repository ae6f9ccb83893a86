"""Fires events with the reference's own client and prints how long that took, as JSON."""
import json
import sys
import time

import salt.config
import salt.utils.event

run, tag, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
opts = salt.config.master_config(None)
opts["sock_dir"] = run
client = salt.utils.event.get_event("master", sock_dir=run, opts=opts, listen=False)
client.fire_event({"warm": 1}, "warm/up")
fill = "some text as events carry it, of usual length, so that it is about two hundred bytes in all"
ok = 0
at = time.time() * 1000
began = time.monotonic()
for n in range(count):
    if client.fire_event({"n": n, "id": "minion-17", "fill": fill, "list": [1, 2, 3]}, tag):
        ok += 1
ms = (time.monotonic() - began) * 1000
# What is queued leaves with the connection.
time.sleep(0.5)
client.destroy()
print(json.dumps({"at": at, "ms": ms, "ok": ok, "failed": count - ok}))
