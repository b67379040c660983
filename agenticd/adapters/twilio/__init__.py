"""Twilio's REST API behind the Carrier port."""
