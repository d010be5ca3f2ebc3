"""The gateway as COSEM objects on its management channel: what there is as tables, and the one way to read, write and call it."""
