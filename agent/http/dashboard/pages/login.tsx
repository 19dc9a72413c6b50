// The page that asks for the token, and lets go of it. Works without scripts.
import { Shell } from "./shell.tsx";

/** `next`: the path to go on to. `trouble`: why the last try was refused. */
export function loginPage({ next, inside, trouble }: { next: string; inside: boolean; trouble: string | null }) {
  if (inside) {
    return (
      <Shell title="Logged in" agent={null}>
        <form class="box login" method="post" action="/login">
          <h1>Logged in</h1>
          <p>You are logged in.</p>
          <p>
            <a class="button" href={next}>
              Go on
            </a>{" "}
            <button name="leave">Log out</button>
          </p>
        </form>
      </Shell>
    );
  }
  return (
    <Shell title="Log in" agent={null}>
      <form class="box login" method="post" action="/login">
        <h1>Log in</h1>
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
        <p class="dim">
          The token stands in the file that the agent was given with <code>--token-file</code>. Programs send it as{" "}
          <code>Authorization: Bearer</code>.
        </p>
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
