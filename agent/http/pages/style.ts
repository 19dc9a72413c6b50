// The one style sheet, light and dark.
export const styleSheet = `
:root { color-scheme: light dark; --line: #8884; --dim: light-dark(#555, #aaa); --good: light-dark(#17702f, #5fd07f); --bad: light-dark(#b3261e, #ff8a80); --mild: light-dark(#8a5a00, #ffc966); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
td.wide { white-space: normal; min-width: 14rem; }
th { color: var(--dim); font-weight: 600; }
.dim { color: var(--dim); }
.succeeded, .scheduled { color: var(--good); } .failed, .invalid { color: var(--bad); font-weight: 600; } .aborted, .queued { color: var(--mild); }
code { font-size: .9em; }
`;
