"""Place a call and print all of it, through restarts of the daemon: python ten_lines_sync.py +15550002222"""

import sys

import agentic.sync

with agentic.sync.connect() as client:
    placed = client.place_call(sys.argv[1])
    for event in client.follow(placed):
        print(event.call_sequence, event.WhichOneof("payload"), event.transcript_final.text)
