#!/usr/bin/env python3
"""Measures how plainly the code is written, and fails where it became worse.

Doc comments should name their subject first. A line that begins with What, Who, That, How, Where,
Whether, Which or When is counted; so is each home-made word for which the field has a term. Both
counts have a limit that may only be lowered.
"""

import re
import subprocess
import sys

CLAUSE = re.compile(r"(What|Who|Whoever|That|How|Where|Whether|Which|When)\b")
DOC = re.compile(r"\s*//[/!] ?(.*)")
# The most that is tolerated, in percent of all doc-comment lines. The goal is 3.
MOST_CLAUSES = 13.0
# Home-made words as parts of identifiers, the field's term, and the most that are tolerated.
WORDS = {
    "told": ("report, record, return", 880),
    "wish": ("request, command", 145),
    "brake": ("circuit breaker", 126),
    "lane": ("linger tier", 134),
    "fact": ("booking event", 173),
    "dawdle": ("slow client", 5),
    "bury": ("dead-letter", 8),
}


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.rs"], capture_output=True, text=True, check=True)
    lines = clauses = 0
    counts = dict.fromkeys(WORDS, 0)
    for name in listed.stdout.split():
        with open(name, encoding="utf-8") as file:
            for line in file:
                doc = DOC.match(line)
                if doc and doc[1].strip():
                    lines += 1
                    clauses += bool(CLAUSE.match(doc[1]))
                for word in WORDS:
                    counts[word] += len(re.findall(rf"(?<![a-zA-Z]){word}(?![a-z])", line))
    share = 100 * clauses / lines
    print(f"doc-comment lines that begin with a clause: {clauses} of {lines}, {share:.1f} % (at most {MOST_CLAUSES})")
    worse = share > MOST_CLAUSES
    for word, (term, most) in WORDS.items():
        print(f"{word}: {counts[word]} (at most {most}); write: {term}")
        worse |= counts[word] > most
    if worse:
        print("it became worse: see the lines above", file=sys.stderr)
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
