import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { importCrontab, splitPercent } from "../../../agent/cli/crontab/crontab.ts";
import { nameOf } from "../../../agent/cli/crontab/name.ts";
import { translateFields } from "../../../agent/cli/crontab/schedule.ts";
import { parseBatch } from "../../../agent/definitions/batch.ts";
import { createSchedule, nextDue, parsePattern } from "../../../agent/schedule/schedule.ts";
import { folderOf } from "../../helpers/folder.ts";

const of = (text: string, form: "system" | "user" | null = null) => importCrontab(text, { form, file: "crontab" });
const told = (text: string) =>
  of(text).remarks.map(({ line, lost, message }) => `${line}${lost ? "!" : ""} ${message}`);
const dayMs = 86_400_000;

describe("times", () => {
  test.each([
    ["30 2 * * *", "30 2 * * *"],
    ["*/15 8-18 1,15 JAN-mar *", "*/15 8-18 1,15 JAN-mar *"],
    ["0 0 * * 7", "0 0 * * 0"],
    ["0 0 * * 5-7", "0 0 * * 0,5,6"],
    ["0 0 * * fri-mon", "0 0 * * 0,1,5,6"],
    ["0 22-2 * * *", "0 0,1,2,22,23 * * *"],
    ["5/15 * * * *", "5,20,35,50 * * * *"],
    ["*/90 * * * *", "0 * * * *"],
    ["0 0 1 * 1", "0 0 1 * 1"], // either
    ["0 0 */2 * 1", "0 0 */2 * +1"], // both: it begins with *
    ["0 0 1 * */2", "0 0 1 * +*/2"],
    ["0 0 1 * 0-6", "0 0 * * *"],
    ["0 0 1 * 0-7", "0 0 * * *"],
    ["0 0 */1 * 3", "0 0 * * 3"],
    ["0 0 L * *", "0 0 L * *"],
    ["0 0 * * MON#1", "0 0 * * MON#1"],
  ])("%s is %s", (given, want) => expect(translateFields(given.split(" "))).toMatchObject({ cron: want }));

  test.each([
    ["60 * * * *", '"60" is not a valid minute'],
    ["* 24 * * *", '"24" is not a valid hour'],
    ["0 0 0 * *", '"0" is not a valid day of the month'],
    ["0 0 * foo *", '"foo" is not a valid month'],
    ["0 0 * * 8", '"8" is not a valid day of the week'],
    ["*/0 * * * *", "*/0: a step must be at least 1"],
    ["0~30 * * * *", "0~30: a random value is not supported; write a fixed one and use jitter"],
    ["0 0 31 2 *", '"0 0 31 2 *" is never due'],
  ])("%s: %s", (given, want) => expect(translateFields(given.split(" "))).toEqual({ fault: want }));

  const field = (low: number, high: number, names: readonly string[] = []) => {
    const value = fc.integer({ min: low, max: high });
    const word = names.length === 0 ? value.map(String) : fc.oneof(value.map(String), fc.constantFrom(...names));
    const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
    const step = fc.integer({ min: 1, max: high });
    const part = fc.oneof(
      word,
      range,
      fc.tuple(range, step).map(([r, s]) => `${r}/${s}`),
    );
    return fc.oneof(
      { weight: 3, arbitrary: fc.constant("*") },
      fc.tuple(fc.constant("*"), step).map(([, s]) => `*/${s}`),
      fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(",")),
    );
  };
  const days = ["sun", "Mon", "TUE", "wed", "thu", "fri", "sat"];
  const months = ["jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

  /** What cron does: one bit a value; the flags of the stars decide between and and or. */
  function bits(text: string, low: number, high: number, names: readonly string[]): boolean[] {
    const set: boolean[] = [];
    const number = (word: string) =>
      names.some((name) => name.toLowerCase() === word.toLowerCase())
        ? names.findIndex((name) => name.toLowerCase() === word.toLowerCase()) + low
        : Number(word);
    for (const part of text.split(",")) {
      const [range = "", step = "1"] = part.split("/");
      const [first, last] =
        range === "*"
          ? [low, high]
          : [number(range.split("-")[0] as string), number(range.split("-")[1] ?? (range.split("-")[0] as string))];
      for (let value = first; value <= last; value += Number(step)) set[value] = true;
    }
    return set;
  }

  function oracle(texts: readonly string[], from: number, count: number, until: number): number[] {
    const [minute, hour, dom, month, dow] = texts as [string, string, string, string, string];
    const [inMinute, inHour, inDom, inMonth] = [
      bits(minute, 0, 59, []),
      bits(hour, 0, 23, []),
      bits(dom, 1, 31, []),
      bits(month, 1, 12, months),
    ];
    const inDow = bits(dow, 0, 7, days);
    if (inDow[0] || inDow[7]) inDow[0] = inDow[7] = true;
    const due: number[] = [];
    for (let day = Math.floor(from / dayMs) * dayMs; day < until && due.length < count; day += dayMs) {
      const at = new Date(day);
      const [byDom, byDow] = [inDom[at.getUTCDate()] === true, inDow[at.getUTCDay()] === true];
      if (
        inMonth[at.getUTCMonth() + 1] !== true ||
        !(dom.startsWith("*") || dow.startsWith("*") ? byDom && byDow : byDom || byDow)
      )
        continue;
      for (let m = 0; m < 1_440 && due.length < count; m++) {
        const time = day + m * 60_000;
        if (time > from && inHour[Math.floor(m / 60)] && inMinute[m % 60]) due.push(time);
      }
    }
    return due;
  }

  test("random lines are due when cron would start them", () => {
    // In cron `*/2` of the day of the week counts 0 to 7; that 7 is Sunday too changes nothing for steps that reach
    // it from 0, but 7 itself.
    const weekday = field(0, 6, days).filter((text) => text !== "*/7");
    fc.assert(
      fc.property(
        field(0, 59),
        field(0, 23),
        field(1, 31),
        field(1, 12, months),
        weekday,
        fc.integer({ min: 0, max: 1_000 }),
        (minute, hour, dom, month, dow, offset) => {
          const texts = [minute, hour, dom, month, dow];
          const from = Date.UTC(2026, 0, 1) + offset * dayMs + offset * 61_000;
          const until = from + 9 * 366 * dayMs;
          const want = oracle(texts, from, 40, until);
          const { batches, remarks } = of(`${texts.join(" ")} true`, "user");
          if (batches[0] === undefined) {
            expect(want, JSON.stringify(remarks)).toEqual([]);
            return;
          }
          const parsed = parsePattern(JSON.parse(/cron: (.*)/.exec(batches[0].settings)?.[1] ?? "") as string);
          if (!("pattern" in parsed)) throw new Error(parsed.message);
          const schedule = createSchedule([parsed.pattern], "UTC", 0);
          const got: number[] = [];
          for (let at = nextDue(schedule, from); at !== null && got.length < want.length; at = nextDue(schedule, at))
            got.push(at);
          expect(
            got.map((at) => new Date(at).toISOString()),
            texts.join(" "),
          ).toEqual(want.map((at) => new Date(at).toISOString()));
        },
      ),
      { numRuns: 300 },
    );
  });
});

test.each([
  ["date +\\%F", "date +%F", null],
  ["mail bob%dear bob%%bye", "mail bob", "dear bob\n\nbye\n"],
  ["cat%", "cat", ""],
  ["cat%a%", "cat", "a\n"],
  ["cat%50\\% off\\n", "cat", "50% off\\n\n"],
  ["echo \\\\%in", "echo \\\\", "in\n"],
  ["printf '\\n'", "printf '\\n'", null],
])("percent: %s", (given, run, input) => expect(splitPercent(given)).toEqual({ run, input }));

test.each([
  ["cd /srv && nice -n 10 /opt/nightly_backup.sh --all", "nightly-backup"],
  ["/usr/bin/python3 /opt/poll.py", "poll"],
  ["flock -n /tmp/x.lock timeout 5m /opt/Sync.PHP", "sync"],
  ["[ -x /usr/bin/certbot ] && certbot -q renew", "certbot"],
  ["test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )", "run-parts"],
  ["A=1 B=2 sudo -u bob env C=3 $HOME/bin/bill", "bob"],
  ["[ -x /usr/lib/php/clean ] && if [ ! -d /run/systemd ]; then /usr/lib/php/clean; fi", "clean"],
  ["while ! /opt/wait.sh; do sleep 1; done", "wait"],
  [">/dev/null", "job-9"],
])("name of %s", (command, want) => expect(nameOf(command, null, 9)).toBe(want));

describe("a crontab", () => {
  const crontab = [
    "# m h  dom mon dow   command",
    "MAILTO=ops@example.com",
    'PATH = "/opt/bin:/usr/bin"',
    "",
    "# Backs up the warehouse,",
    "# every night",
    '30 2 * * * /opt/backup.sh "it\'s" > /tmp/out',
    "",
    "CRON_TZ=Europe/Paris",
    'MAILTO=""',
    "-@daily /opt/backup.sh%hello",
    "SHELL=/usr/bin/zsh",
    "* * * * * echo 'a b'",
  ];

  test("becomes batches; what is said above a line describes it; variables count for the lines below", () => {
    const { batches, group, remarks } = of(crontab.join("\n"));
    expect(group).toBe(
      '# What all lines of crontab have in common.\ndefaults:\n  env:\n    PATH: "/opt/bin:/usr/bin"\n',
    );
    expect(batches.map(({ name, line }) => [name, line])).toEqual([
      ["backup", 7],
      ["backup-2", 11],
      ["echo", 13],
    ]);
    expect(batches[0]).toMatchObject({
      settings:
        '# From line 7 of crontab.\ndescription: "Backs up the warehouse, every night"\ncron: "30 2 * * *"\nnotify:\n  mail: ["ops@example.com"]\n',
      script: '#!/usr/bin/env bash\ncd "$HOME" || exit 1 # where cron starts\n/opt/backup.sh "it\'s" > /tmp/out\n',
    });
    expect(batches[1]).toMatchObject({
      settings: '# From line 11 of crontab.\ncron: "@daily"\ntimeZone: "Europe/Paris"\n',
      script:
        "#!/usr/bin/env bash\ncd \"$HOME\" || exit 1 # where cron starts\nexec <<'END_OF_INPUT'\nhello\nEND_OF_INPUT\n/opt/backup.sh\n",
    });
    expect(batches[2]?.script).toContain("exec '/usr/bin/zsh' -c 'echo '\\''a b'\\'''\n");
    expect(remarks.filter(({ lost }) => lost)).toEqual([]);
  });

  test.each([
    ["one line shares with nobody", ["A=1", "@daily x"], null],
    ["nothing is set", ["@daily x", "@daily y"], null],
    ["all differ", ["A=1", "@daily x", "A=2", "MAILTO=ops@example.org", "@daily y"], null],
    ["what comes later is not shared", ["@daily x", "A=1", "@daily y", "@daily z"], null],
    [
      "all that is alike everywhere is",
      [
        "CRON_TZ=Europe/Paris",
        "MAILTO=a@example.org,b@example.org",
        "RANDOM_DELAY=5",
        "A=1",
        "B=2",
        "@daily x",
        "B=3",
        "@daily y",
      ],
      [
        "defaults:",
        '  timeZone: "Europe/Paris"',
        "  jitter: 5m",
        "  env:",
        '    A: "1"',
        "  notify:",
        '    mail: ["a@example.org", "b@example.org"]',
        "",
      ].join("\n"),
    ],
  ])("%s", (_name, lines, want) => {
    const { group, batches } = of(lines.join("\n"));
    expect(group === null ? null : group.slice(group.indexOf("\n") + 1)).toBe(want);
    expect(
      batches
        .map(({ settings }) => settings)
        .join()
        .includes('B: "3"'),
    ).toBe(want !== null);
  });

  test("CRLF and a byte order mark change nothing", () =>
    expect(of(`\uFEFF${crontab.join("\r\n")}`).batches).toEqual(of(crontab.join("\n")).batches));

  test("what does not come along is said with its line", () => {
    const lines = [
      "@reboot /opt/start",
      "MAILTO=root",
      "61 * * * * x",
      "* * * * * * six",
      "* * * *",
      "nonsense",
      "BATCH_NAME=x",
      "CRON_TZ=Mars/Base",
      "@every_blue x",
      "# 0 1 * * * /opt/old.sh",
      "5/10 * * * * /opt/new.sh",
    ];
    expect(told(lines.join("\n")).map((line) => line.slice(0, 40))).toEqual(
      [
        "1! left out: @reboot is not supported: a ",
        "2! MAILTO: root is not a mail address; n",
        '3! left out: "61" is not a valid minute',
        "4! left out: it looks like six time fiel",
        "5! left out: a line needs five time fiel",
        "6! left out: neither a time with a comma",
        "7! BATCH_NAME is not taken over: names t",
        "8! CRON_TZ: there is no time zone Mars/B",
        "9! left out: @every_blue is not supporte",
        "10 a line that is commented out is left ",
        "11 5/10 is taken as 5-59/10, as some cro",
      ].map((line) => line.slice(0, 40)),
    );
  });

  test("a variable that cannot be taken over does not leave the one before in force", () => {
    const lines = [
      "CRON_TZ=Europe/Paris",
      "RANDOM_DELAY=5",
      "MAILTO=ops@example.org",
      "CRON_TZ=Nowhere/X",
      "RANDOM_DELAY=5m",
      "MAILTO=<ops@example.org>,ops@[10.0.0.1]",
      "0 2 * * * /opt/x.sh",
      "RANDOM_DELAY=0",
    ];
    const settings = of(lines.join("\n")).batches[0]?.settings ?? "";
    expect(settings).not.toMatch(/timeZone|jitter|notify/);
    expect(told(lines.join("\n")).map((line) => line.slice(0, 22))).toEqual([
      "3 cron mailed every ou",
      "4! CRON_TZ: there is n",
      "5! RANDOM_DELAY: 5m is",
      "6! MAILTO: <ops@exampl",
      "6! MAILTO: ops@[10.0.0",
    ]);
  });

  test("the column with the user is found out, or told", () => {
    const text = "17 * * * * root run-parts /etc/cron.hourly\n@daily www-data /opt/x.sh\n";
    expect(of(text)).toMatchObject({
      system: true,
      batches: [
        { name: "run-parts" },
        { name: "x", settings: expect.stringContaining('description: "(ran as www-data)"') as string },
      ],
    });
    expect(told(text)).toEqual([
      "1 ran as root; the batch runs as the agent's own user",
      "2 ran as www-data; the batch runs as the agent's own user",
    ]);
    expect(of("0 0 * * * make all\n")).toMatchObject({ system: false, batches: [{ name: "make" }] });
    expect(of("0 0 * * * alice make all\n", "system")).toMatchObject({ batches: [{ name: "make" }] });
    expect(of("0 0 * * * root\n", "system").batches).toEqual([]);
  });

  test("whatever is in a crontab, each batch is valid, its name too, and no two are the same", () => {
    const word = fc.constantFrom(
      "*",
      "*/5",
      "1-7",
      "fri-mon",
      "@daily",
      "@reboot",
      "root",
      "#",
      "A=b",
      "MAILTO=",
      "'",
      '"',
      "%",
      "\\%",
      "\\",
      "\t",
      "é☃",
      "\u0085",
      "<<EOF",
      "$(x)",
      "5/7",
      "0",
      "7",
      ":",
      "- x",
      "\ufeff",
    );
    const line = fc.oneof(
      fc.array(word, { maxLength: 9 }).map((words) => words.join(" ")),
      fc.string({ maxLength: 40 }),
      fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => `1 2 * * * ${words.join(" ")}`),
    );
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.constantFrom("system" as const, "user" as const, null),
        (lines, form) => {
          const { batches } = of(lines.join("\n"), form);
          expect(new Set(batches.map(({ name }) => name)).size).toBe(batches.length);
          for (const { name, settings, script } of batches)
            expect(
              parseBatch(folderOf(settings, script, name), { timeZone: "UTC" }).problems,
              settings + script,
            ).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("the shell that cron calls", () => {
  const scriptOf = (command: string, before = "") =>
    of(`${before}0 8 * * * ${command}\n`, "user").batches[0]?.script ?? "";
  const plain = (script: string) => !script.includes("exec '");

  // Each means something else to bash than to a POSIX shell, or is not sure to mean the same.
  const differing = [
    'echo "Subject: report\\n\\nall fine"',
    'echo "wait $((RANDOM + 1))"',
    "echo -e x",
    "echo {a,b}",
    'echo "$RANDOM$UID"',
    "echo a &> /dev/null; echo b",
    "[ a == a ] && echo same",
    "cat <<< here",
    "[[ a = a ]] && echo yes",
    "echo $'a\\nb'",
    "function f { echo f; }; f",
    "cd / && source /dev/null; echo $?",
    "x=1; x+=2; echo $x",
    "printf 'a b'",
    "echo !x ~+",
    "type ls",
    "set -o pipefail; echo ok",
    "echo ${x:0:1}",
    "echo caf\u00e9",
  ];
  test.each(differing)("%s is called by it", (command) => {
    expect(scriptOf(command)).toMatch(/\nexec '\/bin\/sh' -c '/);
    expect(scriptOf(command, "SHELL=/bin/dash\n")).toMatch(/\nexec '\/bin\/dash' -c '/);
    expect(scriptOf(command, "SHELL=/bin/bash\n")).toContain(`\n${command}\n`);
    expect(scriptOf(command, "SHELL=\n")).toMatch(/\nexec '\/bin\/sh' -c '/);
  });

  const same = [
    "/usr/local/bin/backup --all > /dev/null 2>&1",
    "cd /srv && ./run.sh; echo done",
    'echo "hello $HOME" | tr a-z A-Z',
    "test -x /bin/true || exit 3; echo $(ls -d /tmp)",
    "find /tmp -maxdepth 0 -name 't*' -print",
    "FOO=bar env | grep FOO",
    "(echo a; echo b) | sort -r",
  ];
  test.each(same)("%s is left as it is, and bash gives what sh gives", (command) => {
    const script = scriptOf(command);
    expect(plain(script)).toBe(true);
    const by = (shell: string) => spawnSync(shell, ["-c", command], { cwd: "/", encoding: "utf8" });
    const [bash, sh] = [by("bash"), by("sh")];
    expect([bash.stdout, bash.status]).toEqual([sh.stdout, sh.status]);
  });

  test.each(differing)("the batch of %s gives what sh gives", (command) => {
    const want = spawnSync("sh", ["-c", command], { cwd: process.env["HOME"], encoding: "utf8" });
    const got = spawnSync("bash", ["-c", scriptOf(command)], { encoding: "utf8" });
    // What a command leaves in the background writes when it gets to it.
    const lines = (stdout: string) => stdout.split("\n").sort();
    expect([lines(got.stdout), got.status]).toEqual([lines(want.stdout), want.status]);
  });

  test("any other shell is called always", () => {
    for (const shell of ["/bin/zsh", "/usr/bin/fish", "/usr/bin/python3"])
      expect(scriptOf("true", `SHELL=${shell}\n`)).toContain(`exec '${shell}' -c 'true'`);
  });
});

describe("the user column", () => {
  const known = { isUser: (name: string) => name === "deploy", isProgram: (name: string) => name === "certbot" };
  const formOf = (commands: string[]) => {
    const text = commands.map((command) => `0 3 * * * ${command}\n`).join("");
    const { system, batches, remarks } = importCrontab(text, { form: null, file: "crontab", known });
    return { system, batches: batches.length, remarks };
  };
  test.each([
    [["root /usr/local/bin/backup", "appuser /usr/local/bin/report"], true, 2],
    [["appuser /usr/local/bin/report", "nobody true"], true, 2],
    [["deploy /srv/run.sh", "deploy make"], true, 2],
    [["_www /srv/run.sh"], true, 1],
    [["certbot renew"], false, 1],
    [["certbot /etc/certbot.ini"], false, 1],
    [["git pull", "backup /srv"], false, 2],
    [["/usr/bin/backup /srv", "php /var/www/cron.php"], false, 2],
    [["run-parts /etc/cron.hourly/x"], false, 1],
    [["root /usr/bin/a", "/usr/bin/b"], true, 1], // the second has no user, which is said
  ])("%j", (commands, system, count) => {
    expect(formOf(commands)).toMatchObject({ system, batches: count });
  });

  test("is asked for where nobody can tell", () => {
    const { batches, remarks } = formOf(["appuser /usr/local/bin/report"]);
    expect(batches).toBe(0);
    expect(remarks).toMatchObject([
      { line: 1, lost: true, message: expect.stringMatching(/is appuser the user .*--system or --user/) as string },
    ]);
  });

  test("is asked for where one line names a user and another begins with a program", () => {
    const { batches, remarks } = formOf(["root /usr/bin/a", "flock -n /tmp/l sleep 1", "flock /tmp/m sleep 1"]);
    expect(batches).toBe(0);
    expect(remarks).toMatchObject([
      { line: 2, lost: true, message: expect.stringMatching(/is flock the user .*--system or --user/) as string },
    ]);
  });
});

describe("words of other crons", () => {
  test("OpenBSD's and FreeBSD's flags before the command are taken off, and said", () => {
    const { batches, remarks } = of("0 3 * * * -n -q /bin/backup\n0 4 * * * -ns /bin/report\n", "user");
    expect(batches.map(({ script }) => script.split("\n").at(-2))).toEqual(["/bin/backup", "/bin/report"]);
    expect(remarks.map(({ line, lost }) => [line, lost])).toEqual([
      [1, false],
      [2, false],
    ]);
    expect(of("0 3 * * * root -n /bin/backup\n", "system").batches[0]?.script).toContain("\n/bin/backup\n");
  });

  test.each([
    "0 3 * * * -x /bin/backup",
    "@every 5m /bin/backup",
    "@600 /bin/backup",
    "0~30 3 * * * /bin/backup",
    "~ 3 * * * /bin/backup",
    "H 3 * * * /bin/backup",
    "H/15 * * * * /bin/backup",
    "@reboot /bin/backup",
    "@monthly 45 cron.monthly run-parts /etc/cron.monthly",
    "1 5 cron.daily run-parts /etc/cron.daily",
    "0 3 * * * @AppleNotOnBattery /bin/backup",
    "@daily FREQ=1d /bin/backup",
    "@daily ID=b FREQ=1d/10m /bin/backup",
    "* 22 * * * ID=b AFTER=load /bin/backup",
    "0 0 3 * * * /bin/backup",
    "0 0 12 * * ? /bin/backup",
    "0 0 12 ? * MON-FRI /bin/backup",
    "0 0 12 ? * 6L /bin/backup",
    "0 0 12 ? * mon#2 /bin/backup",
    "0 15 10 * * 1,3-5 /bin/backup",
    "0 0 12 L * ? /bin/backup",
    "0 3 * * * /bin/backup\r0 4 * * * /bin/report",
    "START_HOURS_RANGE=3-22",
    "!mail(no)",
    "& 0 3 * * * /bin/backup",
    "%hourly 10 /bin/backup",
  ])("%s is left out, which is said with its line", (line) => {
    const { batches, remarks } = of(`# a comment\n${line}\n`, "user");
    expect(batches).toEqual([]);
    expect(remarks.filter(({ lost }) => lost)).toMatchObject([{ line: 2 }]);
  });

  test("a zone that is none is said with what it may mean", () => {
    expect(told("CRON_TZ=BST\n0 3 * * * /bin/x\n").join("\n")).toMatch(
      /^1! CRON_TZ: there is no time zone BST.*Europe\/London/,
    );
    expect(of("TZ=Asia/Tokyo\n0 3 * * * /bin/x\n", "user").remarks).toMatchObject([{ line: 1, lost: false }]);
  });
});

test("a backslash at the end stays a backslash to bash, as it does to cron", () => {
  const script = of("SHELL=/bin/bash\n0 3 * * * echo a\\\n", "user").batches[0]?.script ?? "";
  expect(spawnSync("bash", ["-c", script], { encoding: "utf8" }).stdout).toBe("a\\\n");
});

test("CRON_TZ may have libc's colon", () => {
  const { batches, remarks } = of("CRON_TZ=:Europe/Paris\n0 3 * * * /bin/x\n", "user");
  expect(remarks).toEqual([]);
  expect(batches[0]?.settings).toContain('timeZone: "Europe/Paris"');
});

test("the names of the columns are no description", () => {
  const picture = [
    "# Example of job definition:",
    "# .---------------- minute (0 - 59)",
    "# |  .------------- hour (0 - 23)",
    "# |  |  .---------- day of month (1 - 31)",
    "# *  *  *  *  * user-name command to be executed",
    "# min\thour\tday\tmonth\tweekday\tcommand",
    "#minute hour mday month wday [flags] command",
    "# Minutes are counted here",
  ];
  expect(of(`${picture.join("\n")}\n0 3 * * * /bin/x\n`, "user").batches[0]?.settings).toContain(
    'description: "Minutes are counted here"\n',
  );
});

test("lines whose bytes are no UTF-8 are left out, comments of such are passed over", () => {
  const { batches, remarks } = importCrontab("# T\uFFFDglich\n0 3 * * * cp /data/B\uFFFDcher /b\n0 4 * * * /bin/x\n", {
    form: "user",
    file: "crontab",
    undecodable: new Set([1, 2]),
  });
  expect(batches.map(({ line }) => line)).toEqual([3]);
  expect(remarks).toMatchObject([{ line: 2, lost: true, message: expect.stringContaining("no UTF-8") as string }]);
});
