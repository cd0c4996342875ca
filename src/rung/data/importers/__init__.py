"""Files of other tools: one importer a tool, each one file, all in the table `rung.data.importers.table`."""
