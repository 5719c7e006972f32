"""A mail server for the tests: TLS, one account, and one JSON line on standard output for every mail.

Usage: smtp_server.py tls|starttls|plain
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

ACCOUNT = (b"tessera", b"correct horse")


def say(**line):
    print(json.dumps(line), flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(
            user=session.auth_data.decode() if session.auth_data else None,
            tls=server.transport.get_extra_info("ssl_object") is not None,
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            headers=sorted(name.lower() for name in mail.keys()),
            to=mail["to"],
            subject=mail["subject"],
            text=mail.get_content().rstrip("\r\n"),
        )
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == ACCOUNT
    if right:
        session.auth_data = data.login
    else:
        say(refused=True)
    return AuthResult(success=right, auth_data=data.login if right else None)


async def main():
    mode = sys.argv[1]
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    # TLS that begins with the connection is not the protocol's business, and aiosmtpd does not see it.
    settings = {
        "tls": {"auth_require_tls": False},
        "starttls": {"tls_context": context, "require_starttls": True},
        "plain": {"auth_require_tls": False},
    }[mode]

    def protocol():
        return SMTP(Handler(), hostname="localhost", authenticator=authenticate, auth_required=True, **settings)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    say(port=server.sockets[0].getsockname()[1], authority=authority.cert_pem.bytes().decode())
    # Lives as long as whoever started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
