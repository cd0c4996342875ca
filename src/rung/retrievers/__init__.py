"""Retrievers: places where documents are kept and searched, one file each; the name is what stands before the colon."""
