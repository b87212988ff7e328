"""The command `orders` in a process that kills itself: LABEL PASSES ARGUMENT…"""

import sys

from orchestration.__main__ import main
from tests.faults.victim import die_at

if __name__ == "__main__":
    label, passes, *arguments = sys.argv[1:]
    die_at(label, int(passes))
    sys.exit(main(arguments))
