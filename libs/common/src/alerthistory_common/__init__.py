"""What every service of Alert History needs and no service owns."""
