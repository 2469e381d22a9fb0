"""IP stacks that are not the module's: raw packets on a descriptor, and what takes them."""
