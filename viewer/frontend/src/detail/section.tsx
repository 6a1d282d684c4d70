/** A titled part of the panel, with room for tools at its right. */

import type { ComponentChildren } from "preact";

interface Props {
  title: string;
  tools?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, tools, children }: Props) {
  return (
    <section class="section">
      <header>
        <h3>{title}</h3>
        {tools}
      </header>
      {children}
    </section>
  );
}
