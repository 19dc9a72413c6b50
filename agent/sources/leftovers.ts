// Names of files that nobody meant for a batch. Pure.

/** Returns whether an editor keeps a file of that name while one types. */
export function isEditorLeftover(name: string): boolean {
  return name.endsWith("~") || name.startsWith(".#") || /^\..+\.sw[a-z]$/.test(name) || name === "4913";
}

/** Names that desktops, disks and network storage make by themselves in any folder: nobody meant them for a batch. */
const byMachine = new Set(
  [
    [".DS_Store", ".AppleDouble", ".LSOverride", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems"],
    ["Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "$RECYCLE.BIN", "System Volume Information"],
    [".directory", "lost+found", "@eaDir", "#recycle", "#snapshot", ".snapshot", "__MACOSX"],
  ].flat(),
);

/** Returns whether a desktop, a disk or network storage made an entry by itself, such as Finder's `.DS_Store`. */
export function isMadeByMachine(name: string): boolean {
  return byMachine.has(name) || /^(\._|\.Trash-\d|\.nfs[0-9a-f]{8}|\.~lock\.)/.test(name);
}
