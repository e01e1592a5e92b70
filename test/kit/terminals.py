"""Two terminals: the first one keeps what it started, the second one runs a command to its end and types the codes that the first one shows."""
import fcntl, json, os, pty, re, select, signal, struct, sys, termios

first = {"pid": None, "tty": None, "seen": b""}


def spawn(command):
    pid, tty = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        os.execvp("bash", ["bash", "-c", command])
    return pid, tty


def more(tty, seconds):
    """What a terminal shows within this time; None when it has ended."""
    if not select.select([tty], [], [], seconds)[0]:
        return b""
    try:
        return os.read(tty, 65536) or None
    except OSError:
        return None


def stay(command, until):
    first["pid"], first["tty"] = spawn(command)
    first["seen"] = b""
    while until.encode() not in first["seen"]:
        part = more(first["tty"], 60)
        if not part:
            break
        first["seen"] += part
    return first["seen"]


def run(command):
    pid, tty = spawn(command)
    seen = b""
    asked = 0
    while True:
        part = more(tty, 0.05)
        if part is None:
            break
        seen += part
        while first["tty"] is not None and (told := more(first["tty"], 0)):
            first["seen"] += told
        codes = re.findall(rb"code (\S{4}-\S{4})  lets", first["seen"])
        if seen.count(b"Code: ") > asked and len(codes) > 0:
            asked += 1
            os.write(tty, codes[-1] + b"\n")
    # Its end comes first: a terminal that is taken away ends what runs in it.
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(tty)
    return seen, code


def gone():
    """Waits for what the first terminal started."""
    os.waitpid(first["pid"], 0)
    os.close(first["tty"])
    first["tty"] = None


for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "stay":
        answer = {"text": stay(asked["command"], asked["until"]).decode()}
    elif asked["do"] == "gone":
        gone()
        answer = {}
    elif asked["do"] == "shown":
        answer = {"text": first["seen"].decode()}
    else:
        seen, code = run(asked["command"])
        answer = {"text": seen.decode(), "code": code}
    print(json.dumps(answer), flush=True)

if first["tty"] is not None:
    os.kill(first["pid"], signal.SIGKILL)
    gone()
