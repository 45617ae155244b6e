"""Evidence to findings: claims bound to cells, the rules that make them, and their verification."""
