// Answers and question texts that would do something if anybody took them for markup or for a binding.
export const ANSWERS = [
  '<img src=x onerror="alert(1)">',
  '{{binding}} and {/value} and {path: \'x\'}',
  '{= window.alert(2) }',
  '</script><script>alert(3)</script>',
  '\u202Eright to left\u202C שלום עולם',
  '%7B%7D &amp; \\{escaped\\} ${1+1}',
];

/** What a screen shows of it: white space is folded. */
export const folded = (text) => text.replace(/\s+/g, ' ').trim();

/** A survey whose author wrote such texts everywhere. */
export function definition(original) {
  const survey = JSON.parse(JSON.stringify(original));
  survey.SurveyID = 'SV_hostileText0001';
  survey.SurveyName = `${ANSWERS[2]} ${ANSWERS[0]}`;
  const { QID1, QID2, QID18 } = survey.Questions;
  for (const [question, text] of [[QID1, ANSWERS[1]], [QID2, ANSWERS[2]], [QID18, ANSWERS[1]]]) {
    question.QuestionText = text;
    question.QuestionDescription = text;
  }
  QID1.Choices['5'].Display = '{= window.alert(4) } {{choice}}';
  return survey;
}
