import { render } from "preact";
import { startLive } from "./api/live.ts";
import { startClock } from "./app/clock.ts";
import { Sprite } from "./app/icons.tsx";
import { startKeys } from "./app/keys.ts";
import { route, startRouter } from "./app/router.ts";
import { Shell } from "./app/shell.tsx";
import { ListPage } from "./list/page.tsx";
import { TracePage } from "./trace/page.tsx";
import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/list.css";
import "./styles/trace.css";
import "./styles/waterfall.css";
import "./styles/detail.css";

function Page() {
  const now = route.value;
  if (now.page === "list") return <ListPage />;
  if (now.page === "trace") return <TracePage key={now.traceId} traceId={now.traceId} />;
  return (
    <Shell hints={[]}>
      <div class="notice" data-testid="unknown-page">
        <h1>No page here</h1>
        <p>
          <code>{now.path}</code> is not a page of flightlog.
        </p>
        <a class="button" href="/">
          To the traces
        </a>
      </div>
    </Shell>
  );
}

startRouter();
startKeys();
startClock();
startLive();

const root = document.getElementById("app");
if (root) {
  render(
    <>
      <Sprite />
      <Page />
    </>,
    root,
  );
}
