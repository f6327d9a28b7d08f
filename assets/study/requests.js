// Requests that change something; each throws an Error with the server's own words where it refuses.

export async function send(url, method, body) {
  const how = body && {headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  const answer = await fetch(url, {method, ...how});
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error || `The server answered ${answer.status}.`);
  return found;
}
