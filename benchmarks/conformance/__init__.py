"""The conformance kit: what must hold of every problem and optimizer, ours and anybody's own."""
