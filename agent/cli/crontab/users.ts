// Decides whether the lines of a crontab name a user before the command, as /etc/crontab's do. Pure.

export type Form = "system" | "user";

const userName = /^[a-z_][a-z0-9_.-]{0,31}\$?$/i;
const surelyUsers = anyOf(
  "root daemon bin sys nobody www-data www postgres mysql nginx apache git backup man mail news list munin " +
    "logcheck amavis operator ubuntu debian ec2-user debian-[a-z]+ _[a-z][a-z0-9-]*",
);
/** The ones of them that a user's own crontab may well begin a command with. */
const programs = /^(git|mysql|mail|nginx|backup|man|news|list|munin|postgres|apache|logcheck|sys|bin|www)$/;

/** Describes what the machine knows: whether there is a user, or a program on the usual path, of a name. */
export interface Known {
  isUser: (name: string) => boolean;
  isProgram: (name: string) => boolean;
}

export const nothingKnown: Known = { isUser: () => false, isProgram: () => false };

export function isUserName(word: string): boolean {
  return userName.test(word);
}

/**
 * Finds out by what follows the times. `{ask}`: a word that may be either, which nobody can tell from outside.
 * @param rests what follows the times, of each line with a command
 */
export function findForm(rests: readonly string[], known: Known): Form | { ask: string } {
  const firsts = rests.map((rest) => /^(\S+)\s+[^-\s]/.exec(rest)?.[1] ?? "");
  const isSure = (word: string) => surelyUsers.test(word) && !programs.test(word);
  // One line that begins with root is enough: there is no such program, and a wrong line is told with its number.
  // But where another one begins with a common program, one of the two lines is wrong, and who reads `flock` as a user
  // takes over half a command.
  if (firsts.some((word) => isSure(word) && !known.isProgram(word))) {
    const program = firsts.find((word) => usual.test(word) && !known.isUser(word) && !surelyUsers.test(word));
    return program === undefined ? "system" : { ask: program };
  }
  const mayBeUser = (word: string) =>
    userName.test(word) && !known.isProgram(word) && (surelyUsers.test(word) || known.isUser(word));
  const isProgramHere = (word: string) => known.isProgram(word) || programs.test(word);
  if (firsts.length > 0 && firsts.every((word) => mayBeUser(word) || isSure(word))) {
    if (firsts.every((word) => programs.test(word))) return "user";
    return "system";
  }
  // `appuser /opt/report`: every line a bare word, not known as a program here, before what is surely a command.
  const calls = rests.map((rest) => /^(\S+)\s+(?:\/\S+\/\S+|cd\s|test\s|\[)/.exec(rest)?.[1] ?? "");
  const [first] = calls;
  if (first !== undefined && calls.every((word) => userName.test(word) && !isProgramHere(word) && !usual.test(word)))
    return { ask: first };
  return "user";
}

/** Programs that are called with a path, on whatever machine. */
const usual = anyOf(
  "sh bash dash zsh ksh fish env sudo nice ionice nohup timeout flock chronic cronic exec eval time test cd " +
    String.raw`if for while source python[\d.]* perl php[\d.]* ruby node java Rscript lua find rm cp mv ln ls cat ` +
    "touch mkdir chmod chown tar gzip zip unzip rsync scp ssh curl wget logrotate certbot run-parts run-one restic " +
    "borg rclone mysqldump pg_dump tee du df echo printf logger kill pkill docker podman kubectl make npm npx " +
    String.raw`yarn pnpm poetry uv pip[\d.]* systemctl service fstrim updatedb mandb sync chroot su runuser setsid ` +
    "stdbuf aws gcloud az drush wp artisan composer bundle rake rails sqlite3 psql mysql openssl sed awk grep " +
    "sort head tail wc date xargs command true nsenter unshare strace tmpwatch tmpreaper fdupes clamscan " +
    "freshclam rkhunter aide zpool zfs btrfs mdadm smartctl ntpdate hwclock dnf yum apt apt-get apk snap " +
    "flatpak brew",
);

/** Matches one of the words, each of which may be a pattern, and nothing else. */
function anyOf(words: string): RegExp {
  return new RegExp(`^(${words.replaceAll(" ", "|")})$`);
}
