"""
What runs inside a worker process: the engine on one file, behind the fences of the system.

Nothing here imports more than the standard library and the engine, so that a worker starts in a
blink and holds little.
"""
