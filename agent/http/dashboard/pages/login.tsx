// The page that asks for the token, and lets go of it. Works without scripts.
import { Shell } from "./shell.tsx";

/** `next`: the path to go on to. `trouble`: why the last try was refused. */
export function loginPage({ next, inside, trouble }: { next: string; inside: boolean; trouble: string | null }) {
  if (inside) {
    return (
      <Shell title="Logged in" agent={null}>
        <h1>Logged in</h1>
        <p>You are logged in.</p>
        <form method="post" action="/login">
          <a href={next}>Go on</a> <button name="leave">Log out</button>
        </form>
      </Shell>
    );
  }
  return (
    <Shell title="Log in" agent={null}>
      <h1>Log in</h1>
      <form method="post" action="/login">
        <input type="hidden" name="next" value={next} />
        <p>
          <label for="token">Token</label>{" "}
          <input
            id="token"
            name="token"
            type="password"
            autocomplete="current-password"
            required
            autofocus
            {...(trouble === null ? {} : { "aria-describedby": "trouble" })}
          />{" "}
          <button>Log in</button>
        </p>
        {trouble !== null && (
          <p id="trouble" role="alert" class="failed">
            {trouble}
          </p>
        )}
        <p class="dim">It stands in the file that the agent was given with --token-file.</p>
      </form>
    </Shell>
  );
}

/** Asks for `to` once more, from here. */
export function onwardPage(to: string) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="refresh" content={`0; url=${to}`} />
        <title>batch-agent</title>
      </head>
      <body>
        <a href={to}>Go on</a>
      </body>
    </html>
  );
}
