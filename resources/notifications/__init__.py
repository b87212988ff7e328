"""How people hear of trouble: record, decide, deliver, three steps that never run in one breath.

What this room is: facts as events (`events`, `failures`), a durable outbox between the steps (`outbox` on
`schema`), pure decisions (`decisions`, `retry`), and channels (`port`, `channels`) that a `dispatcher`
feeds.
What belongs here: everything that makes a notice arrive at least once, under one stable id.
What never does: looking for failures (that is sensors/), or sending from inside a run, a hook or a sensor.
See docs/adr, and DESIGN.md's promise P7: nobody is left unnotified.
"""
