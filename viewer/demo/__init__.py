"""The demo: agents at work on a scripted model, so that there is something to look at.

Everything but the model's words is real: the runtime, the client, HTTP, the record.
"""
