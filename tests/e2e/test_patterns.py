"""[[pattern]]: regular expressions over parts of a message, looked for in the scan workers, from the rule file to the record."""
import base64
import json
import os
import signal

from harness import Server, Smtp, check, equal, wait_until

RULES = r'''
[thresholds]
junk = 5
reject = 12

[[pattern]]
id = "winner"
in = "headers"
field = "subject"
match = '^You won'

[[pattern]]
id = "mailer"
in = "headers"
match = '^X-Mailer: Bulk'

[[pattern]]
id = "pills"
in = "body"
match = ['cheap pills', 'gute Gr[üu]ße']
ignore_case = true

[[pattern]]
id = "marker"
in = "raw"
match = '(?m)^X5O!P%'

[[pattern]]
id = "bad-host"
in = "urls"
match = '^https?://evil[.]example(/|$)'

[[rule]]
id = "patterns"
when = 'pattern.winner or pattern.mailer or pattern.pills or pattern.marker or pattern.bad-host'
then = "reject"
why = "this message holds what we do not take"
'''
HEAD = b'From: ann@sender.test\r\nTo: alice@example.test\r\nDate: Mon, 01 Jun 2026 10:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\n'


def html(text):
    return (b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n'
            b'Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n'
            + base64.encodebytes(text.encode()).replace(b'\n', b'\r\n') + b'--b--\r\n')


REFUSED = {
    'winner': b'Subject: =?utf-8?B?' + base64.b64encode(b'You won a prize') + b'?=\r\n\r\nhello\r\n',
    'mailer': b'Subject: x\r\nX-Mailer: Bulk\r\n Sender\r\n\r\nhello\r\n',
    'pills': html('<p>Buy <b>CH</b>EAP<br>pi<!-- no -->lls now</p>'),
    'marker': b'Subject: x\r\n\r\nhello\r\nX5O!P%@AP\r\n',
    'bad-host': html('<a href="HTTP://EV%49L.example&#47;x">click</a>'),
}
ACCEPTED = {
    'nothing': b'Subject: x\r\n\r\nhello\r\n',
    'in another field': b'Subject: x\r\nX-Note: You won\r\n\r\nhello\r\n',
    'in another part': b'Subject: cheap pills\r\n\r\nYou won, and X5O!P% is not at the beginning\r\n',
    'another host': html('<a href="http://evil.example.org/">evil.example</a>'),
}


def send(server, octets):
    with Smtp(server) as client:
        client.hello()
        return client.send_mail('ann@sender.test', ['alice@example.test'], HEAD + octets)


def patterns_of(server, reply):
    facts = server.explain(reply.id)['facts']
    return {name.removeprefix('pattern.'): value for name, value in facts.items() if name.startswith('pattern.')}


def test_messages_are_refused_for_what_is_in_them():
    with Server(rules=RULES) as server:
        for name, octets in REFUSED.items():
            reply = send(server, octets)
            equal(reply.code, 550, name)
            equal(patterns_of(server, reply), {name: True}, f'the facts of {name}')
            equal(server.explain(reply.id)['rule'], 'patterns', name)
        for name, octets in ACCEPTED.items():
            reply = send(server, octets)
            equal(reply.code, 250, name)
            equal(patterns_of(server, reply), {}, f'the facts of {name}')
        # A worker that died is replaced by one that has to learn the patterns first.
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        equal(send(server, REFUSED['pills']).code, 550, 'after the workers were killed')


def test_facts_tells_of_patterns():
    with Server(rules=RULES) as server:
        rows = [json.loads(line) for line in server.command('facts', '--json').stdout.splitlines()]
        row = {row['name']: row for row in rows}['pattern.bad-host']
        equal((row['type'], row['stage'], row['filter']), ('boolean', 'end', 'pattern'), 'the row')


def test_a_reload_changes_the_patterns_and_sessions_keep_theirs():
    other = RULES.replace("'^You won'", "'^You lost'")
    lost = b'Subject: You lost\r\n\r\nhello\r\n'
    with Server(rules=RULES) as server:
        old = Smtp(server)
        old.hello()
        equal(send(server, lost).code, 250, 'before')
        equal(send(server, REFUSED['winner']).code, 550, 'before')
        server.rules = other
        server.write_config()
        before = len(server.log_text())
        server.reload()
        wait_until(lambda: 'reloaded' in server.log_text()[before:], 'a word about the reload')
        check('not reloaded' not in server.log_text()[before:], server.log_text()[before:])
        for _ in range(3):
            equal(send(server, lost).code, 550, 'after')
            equal(send(server, REFUSED['winner']).code, 250, 'after')
            # Both rule sets are in use, and so are both sets of patterns.
            equal(old.send_mail('ann@sender.test', ['alice@example.test'], HEAD + lost).code, 250, 'in the old session')
            equal(old.send_mail('ann@sender.test', ['alice@example.test'], HEAD + REFUSED['winner']).code, 550, 'in the old session')
        old.close()
        server.rules = '[thresholds]\njunk = 5\nreject = 12\n'
        server.write_config()
        before = len(server.log_text())
        server.reload()
        wait_until(lambda: 'reloaded' in server.log_text()[before:], 'a word about the reload')
        equal(send(server, lost).code, 250, 'without patterns')


def test_a_bad_pattern_is_told_at_its_place():
    with Server(rules=RULES) as server:
        server.rules = RULES.replace("'cheap pills', ", "'cheap pills', 'cheap (pills', ")
        server.write_config()
        line = server.rules[:server.rules.index('cheap (')].count('\n') + 1
        column = server.rules.splitlines()[line - 1].index('cheap (') + 1
        said = server.command('check', check_code=78).stderr
        check(f'rules.toml:{line}:{column}: error: bad regular expression: missing ): cheap (pills' in said, said)
        before = len(server.log_text())
        server.reload()
        wait_until(lambda: 'not reloaded' in server.log_text()[before:], 'a word about the reload')
        equal(send(server, REFUSED['pills']).code, 550, 'the old patterns go on')


def test_what_was_not_looked_at_is_unknown():
    with Server(rules=RULES) as server:
        reply = send(server, b'Subject: x\r\n\r\n' + (b'many words of text ' * 50 + b'\r\n') * 1200 + b'cheap pills\r\n')
        equal(reply.code, 250, 'reply')
        facts = patterns_of(server, reply)
        reason = {'unknown': 'there is more text than is looked at'}
        equal(facts, {'pills': reason, 'bad-host': reason}, 'facts')
