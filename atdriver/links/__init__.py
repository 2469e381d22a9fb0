"""Byte carriers: serial ports, TCP, an in-process module."""
