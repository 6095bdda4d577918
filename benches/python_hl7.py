"""python-hl7 on the same feed: parse each message, take MSH-10, PID-3.1, PID-5.1 and every OBX-5.

    python_hl7.py FILE MESSAGES [REPETITIONS]

CPU time of the process; the messages are in memory beforehand. Prints one JSON line.
"""

import itertools
import json
import sys
import time

import hl7


def take(text):
    message = hl7.parse(text)
    values = [message.extract_field("MSH", 1, 10), message.extract_field("PID", 1, 3, 1, 1), message.extract_field("PID", 1, 5, 1, 1)]
    try:
        values += [str(segment[5]) for segment in message.segments("OBX")]
    except KeyError:  # no OBX in this message
        pass
    return sum(len(value) for value in values)


def main():
    limit = int(sys.argv[2])
    with open(sys.argv[1], "rb") as feed:
        lines = [line.rstrip(b"\r\n") for line in itertools.islice(feed, limit)]
    messages = [line.decode() for line in lines]
    size = sum(len(line) + 2 for line in lines)
    best, characters = float("inf"), 0
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 1):
        start = time.process_time()
        characters = sum(take(message) for message in messages)
        best = min(best, time.process_time() - start)
    print(json.dumps({"what": "python-hl7", "messages": len(messages), "bytes": size, "refused": 0, "characters": characters,
                      "cpu_s": round(best, 4), "messages_per_s": round(len(messages) / best), "mb_per_s": round(size / 1e6 / best, 2)}))


if __name__ == "__main__":
    main()
