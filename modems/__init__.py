"""Drivers: one package per vendor dialect, over what all AT modules share."""
