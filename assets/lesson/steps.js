// The guided lesson's texts. A card says in its `lesson` (workbench/engine/presets.py) which steps it is shown in.
//
// id: also how style sheets know the step; title, text: what is said; ask: a question for the room;
// table: steps whose examples' figures stand side by side; eye: adds a line for what people see; run: offers a run.

export const STEPS = [
  {
    id: "target",
    title: "The target",
    text: [
      "Somebody trained a network on photographs of people: a face goes in, a name comes out.",
      "These are people it was trained on. Their photographs are private.",
      "What is handed out, or can be asked, is the network alone.",
    ],
    ask: "Are the photographs still in it?",
  },
  {
    id: "attacker",
    title: "What the attacker has",
    text: [
      "The network. It says how sure it is that a picture shows a certain person; who holds it sees as well how to make it surer.",
      "A prior: what pictures of this kind look like, learnt from other people's.",
      "Not the private photographs. They are covered here, as they are for the attack; only this page knows them.",
    ],
    ask: "What would you begin with?",
  },
  {
    id: "run",
    title: "Watch a run",
    text: [
      "The attack begins with pictures drawn from the prior, and changes them step by step until the network is sure.",
      "The bar beneath each pair is the network's own confidence.",
      "Run it live, or drag the slider to go back and forth.",
    ],
    ask: "Which is first: a full bar, or a face you know?",
    run: true,
  },
  {
    id: "verdict",
    title: "100 % is not recognition",
    text: [
      "The network is sure of each picture, because the attack went on until it was. That says little about likeness.",
      "The evaluator is another network trained on the same people. It has to name one of them, whatever it is shown.",
      "The face judges were made to compare faces, and may say: nobody I know.",
    ],
    ask: "Your eye is the third judge: how many do you recognise?",
    table: ["verdict"],
    eye: true,
  },
  {
    id: "defense",
    title: "What a defense changes",
    text: [
      "A defense changes how the network is trained, or what it answers, so that less can be read back. It usually costs accuracy.",
      "Read the figures as in the step before: judges first, then look yourself.",
      "Compare, among the tabs, sets all attacks against all defenses.",
    ],
    ask: "Is it protected, or was this attack only made harder?",
    table: ["run", "defense"],
  },
];
