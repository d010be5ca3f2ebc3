"""The administrator's console: the fleet and each gateway, what was ordered, who decided, who may what."""
