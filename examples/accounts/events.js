// Follows the events of the session: new logins, and its end. The page works without it.
const notices = document.getElementById("notices");
let events;

const open = () => {
  events = new EventSource("/events");
  events.addEventListener("login", ({ data }) => {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.textContent = `New login: ${data}`;
    notices.append(notice);
  });
  // Asks again: a session that only has a new id goes on, one that is over answers 401.
  events.addEventListener("over", () => { events.close(); open(); });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) location.reload();
  });
};

// A hidden tab needs no connection; a browser has only six of them for HTTP/1.1.
document.addEventListener("visibilitychange", () => (document.hidden ? events.close() : open()));
// The answer of a form decides what comes next, not an event that overtakes it.
addEventListener("submit", () => events.close());
open();
