"""What the codes in Twilio's debugger mean to a developer, in a few words: what to look at."""

from __future__ import annotations

from collections.abc import Mapping

MEANINGS: Mapping[int, str] = {
    11100: "the URL is not an absolute http or https URL",
    11200: "a webhook must answer within 15 s with 2xx and a content type",
    11205: "nothing accepts the connection: does your program run, on this port?",
    11210: "the webhook's host name is not known",
    11215: "a webhook may redirect 10 times at most",
    11220: "the webhook's TLS did not work: certificate, chain, port",
    11750: "an answer may have 64 kB at most",
    12100: "the TwiML is not well-formed XML: nothing before <?xml, & written as &amp;",
    12200: "a verb or attribute that TwiML does not know; it is ignored, and the call goes on",
    12300: "TwiML is sent as text/xml or application/xml",
    13510: "the loop of a <Say> is a number",
    13520: "a <Say> has no text",
    13521: "the text of a <Say> is too long for Twilio's voice",
    21609: "the StatusCallback is no URL that can be called: nothing is called back",
    21626: "StatusCallbackEvent is repeated for each event; with a wrong one nothing is called back",
    31901: "the stream's server did not answer in time",
    31902: "nothing listens at the stream's address and port",
    31903: "the stream's connection broke without a close: did the server die?",
    31904: "the stream's host has no address, or no way leads there",
    31910: "the stream's TLS did not work",
    31920: "the server did not take the WebSocket: wrong path, a query string, or it refuses",
    31921: "the server closed the stream; Twilio notes that also where it was intended",
    31922: "a stream is wss:, or ws: to this machine",
    31923: "the stream's URL is malformed",
    31924: "the server broke the WebSocket protocol",
    31930: "the server reads too slowly: what the caller says is lost",
    31931: "more than 10 minutes of audio wait: send no faster than it is heard, or clear",
    31941: "<Connect><Stream> has the track inbound_track only",
    31950: "messages to Twilio are JSON in text frames; told once per stream",
    31951: "Twilio takes media, mark and clear, with this streamSid and no other fields; told once per stream",
}
