// The form above a list: a field to search in, choices, and what makes it usable on a small screen and without scripts.
import type { Child } from "hono/jsx";

interface FilterProps {
  action: string;
  /** The field that is searched in: its name, label, hint and value. */
  search: { name: string; label: string; hint: string; value: string };
  children: Child;
}

export function Filters({ action, search, children }: FilterProps) {
  return (
    <form class="filters" method="get" action={action} role="search" data-filters>
      <label class="grow">
        <span>{search.label}</span>
        <input type="search" name={search.name} value={search.value} placeholder={search.hint} autocomplete="off" />
      </label>
      {children}
      <MoreFilters />
      <button type="submit">Apply</button>
    </form>
  );
}

/** Choices of a group and of a tag. The group is always there; it says so where there is none. */
export function GroupAndTag({
  groups,
  tags,
  chosen,
}: {
  groups: readonly string[];
  tags: readonly string[];
  chosen: { group: string | null; tag: string | null };
}) {
  const same = (all: readonly string[]) => all.map((one) => [one, one] as const);
  return (
    <>
      <Choice
        label="Group"
        name="group"
        chosen={chosen.group}
        all={same(groups)}
        none={groups.length === 0 ? "none yet" : "any"}
      />
      <Choice
        label="Tag"
        name="tag"
        chosen={chosen.tag}
        all={same(tags)}
        none={tags.length === 0 ? "none yet" : "any"}
      />
    </>
  );
}

export function Choice({
  label,
  name,
  chosen,
  all,
  none,
}: {
  label: string;
  name: string;
  chosen: string | null;
  all: readonly (readonly [string, string])[];
  none: string | null;
}) {
  return (
    <label>
      <span>{label}</span>
      <select name={name}>
        {none !== null && <option value="">{none}</option>}
        {all.map(([value, word]) => (
          <option value={value} selected={value === chosen}>
            {word}
          </option>
        ))}
      </select>
    </label>
  );
}

/** On a small screen, shows the choices beside the search. */
function MoreFilters() {
  return (
    <label class="more-filters">
      <input type="checkbox" /> More filters
    </label>
  );
}
