"""How nice a process is that whoever started it gave a session of its own."""

import os
import time
from pathlib import Path

GROUP = Path("/proc/self/autogroup")  # Linux: sessions share the processor, each as nice as another


def keep_niceness():
    """Make this process's session as nice as the process itself, which `nice` alone doesn't."""
    for _ in range(50):
        try:
            GROUP.write_text(str(os.nice(0)))
        except BlockingIOError:  # ten times a second for all but root
            time.sleep(0.1)
        except OSError:
            return
        else:
            return
