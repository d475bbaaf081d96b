"""The publisher: which targets are told about an event, and the deliveries to them."""
