"""How alerts are written for their receivers: one pure module per format."""
