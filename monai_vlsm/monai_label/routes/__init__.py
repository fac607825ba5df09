"""The routes of the label server, a module per kind; each with checked parameters."""
