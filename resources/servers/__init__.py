"""Real servers on this machine, for developers and tests: Kafka, RabbitMQ, ActiveMQ, Artemis, PostgreSQL.

What this room is: one module a server, all of the same skeleton (the port of `kind.py`), one life cycle
for all (`server.py`), and the packages they come from (`packages/`, fetched by Maven; Debian's otherwise).
What belongs here: configuration for one node on 127.0.0.1, starting, readiness, ending, kill -9 and restart.
What never does: servers that hold anybody's only copy of something, or that another machine can reach.
See docs/adr/0009-servers-without-containers.md.
"""
