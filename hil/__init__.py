"""The catalogue's probes on plugged-in hardware: `pytest hil --port SPEC --far-end HOST`.

bench (one session) · seam (what passes between sockets and stack) · recording and replay (wire
traces) · results · soak · power. See docs/hil.md.
"""
